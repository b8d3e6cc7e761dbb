"""What messages carry: bodies, forms and files to send; content codings, charsets and downloads to receive."""
