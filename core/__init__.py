"""What things are: values and pure functions. Knows no clock, file, network, database, page or torch."""
