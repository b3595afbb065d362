"""Services: the rules. Each function owns its transaction, and returns structs or raises an error of `api.errors`."""
