SOURCE 'no/such/script.sql';
