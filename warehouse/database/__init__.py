"""A session on the server: login, connection, transactions, statements, and what its errors mean."""
