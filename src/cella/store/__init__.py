"""Object stores: where blobs lie. They do not know that there are files."""
