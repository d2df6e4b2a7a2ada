"""What is wrong with this installation, what that means, and the exact fix: ``manage.py doctor``."""
