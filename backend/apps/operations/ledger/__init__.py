"""What has to be true of the rows of every site, in SQL, in one place; ``manage.py verify_ledger`` asks."""
