"""Who somebody is: accounts, passwords, sessions. Knows no host and no request."""
