"""The rim: HTTP, files. The only importers of clients and the file system."""
