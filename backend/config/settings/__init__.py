"""Django's settings: `base` for all, then `railway`, `local`, `test`, and `build` for collectstatic."""
