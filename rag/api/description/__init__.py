"""The description of the API (OpenAPI 3.1), good enough to generate a client from.

`operations.py` says what each route takes and gives, `*responses.py` how that looks, `document.py` puts it together.
What is sent is described by the models that read it. What is given is described here alone; a test holds it against
real answers.
"""
