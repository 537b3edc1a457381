"""behavstats: page views in, exact behavioural profiles of users out, in real time."""

__version__ = "0.1.0"
