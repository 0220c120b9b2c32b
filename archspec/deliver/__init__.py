"""What goes to the people who use an artifact: metadata inside the file, labels, sources with its pre-processing."""
