"""Looking at a policy over all documents and people at once, as bitmaps; never for answering one question."""
