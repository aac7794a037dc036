"""GraphQL: what may be asked and by whom, what it costs, how it is read and written, and how it is carried out."""
