"""Pure e-mail: what the RFCs say, with no database, no clock and no network."""
