"""behavstats: page views in, exact behavioural profiles of users out, in real time."""

__all__ = ["__version__"]
__version__ = "0.1.0"
