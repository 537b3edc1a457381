"""What a person sees: values made into rich tables and lines, one module for each subject."""

__all__: list[str] = []
