"""A server under all that clients and chance do to it, for an hour or a day: does it grow?"""
