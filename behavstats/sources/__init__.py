"""The sources: files and standard input, plain or compressed, read as blocks of whole lines.

Import what you need from the modules named below; importing this package loads none of them.
"""

__all__ = ["compression", "file_type", "files", "line_blocks"]
