SELECT :day AS day;
