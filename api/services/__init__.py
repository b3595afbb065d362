"""Services: the business rules.

Each function owns its transaction. It returns structs or raises an error of `api.errors`.
"""
