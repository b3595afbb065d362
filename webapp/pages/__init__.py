"""One module for each page, with that page's State in it."""
