"""The plug-ins that ship with the platform; each uses the public door only, as a stranger's would."""
