"""Writers: files and other packages' objects out; the engine works without gemmi."""
