STOP counts;
