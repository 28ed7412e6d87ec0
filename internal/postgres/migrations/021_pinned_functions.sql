-- The two functions that found names by their caller's search path now have one of their own, as all others do. The image of a
-- row is what is published: it uses nothing but the server's own functions and operators, and with this path it finds no
-- others, not those in the schema public either. What the text of a function names is looked up when it runs, so this takes
-- no lock on a table.
ALTER FUNCTION public.order_fulfillment_image(public.order_fulfillment) SET search_path = pg_catalog, pg_temp;
ALTER FUNCTION public.refuse_change() SET search_path = pg_catalog, pg_temp;
