"""What the program ``b24batch`` does with its arguments, its input and its output."""
