"""What the sandbox keeps."""
