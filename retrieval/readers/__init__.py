"""Readers of a site's own documents: each turns one file into `Document`s. `files.py` finds the files and the reader of each."""
