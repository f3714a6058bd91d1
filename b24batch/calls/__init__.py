"""What is asked: commands, values, query text, references, chunks. Pure: no HTTP, no clock."""
