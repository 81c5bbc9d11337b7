STEP counts 3;
