"""The parts of the admin that every room builds on: a chosen site, its scope, and exact searches.

The AdminSite itself chooses the site by membership and so lives above, in apps.accounts.admin_site.
"""
