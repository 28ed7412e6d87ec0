-- The database of Temporal's visibility store. The main one is made by the image, POSTGRES_DB.
CREATE DATABASE temporal_visibility;
