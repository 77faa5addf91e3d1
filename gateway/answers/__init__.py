"""What comes of a generation to the answer that an API sends: chunks, and their fold."""
