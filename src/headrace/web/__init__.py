"""What every service has: operations over a database, loops, and HTTP in front of them."""
