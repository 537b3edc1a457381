"""Sources: files and standard input, plain or compressed, as blocks of whole lines."""
