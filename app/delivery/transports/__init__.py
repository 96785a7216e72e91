"""The ways out: our bulk SMTP client, and the Flask-Mail connection over it."""
