"""What an atom scatters: form factors, and f' and f''."""
