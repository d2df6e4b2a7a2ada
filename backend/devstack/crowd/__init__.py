"""A crowd that wants more than there is, over real HTTP, and the books afterwards: `make crowd`."""
