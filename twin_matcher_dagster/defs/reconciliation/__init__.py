"""What is missing is started again: the sensor, and the check that an operator looks at."""
