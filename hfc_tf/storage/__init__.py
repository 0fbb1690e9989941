"""What is kept on disk: one writer, one hasher, one reader, one lock, one place for keys."""
