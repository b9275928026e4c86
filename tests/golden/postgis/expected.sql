CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE FUNCTION public.cutover_touch_without_key() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'public', 'pg_temp'
    AS $$BEGIN IF NEW.at IS NOT DISTINCT FROM OLD.at THEN NEW.at := CURRENT_TIMESTAMP; END IF; RETURN NEW; END$$;
CREATE TABLE public.places (
    id integer NOT NULL,
    g public.geometry,
    p public.geometry(Point) NOT NULL,
    l public.geometry(LineString),
    a public.geometry(Polygon) NOT NULL,
    mp public.geometry(MultiPoint),
    ml public.geometry(MultiLineString),
    ma public.geometry(MultiPolygon),
    c public.geometry(GeometryCollection)
);
CREATE VIEW public.corners AS
 SELECT places.id,
    places.p
   FROM public.places
  WHERE (places.p IS NOT NULL);
CREATE TABLE public.odd (
    id integer NOT NULL,
    g public.geometry
);
CREATE TABLE public.without_key (
    p public.geometry(Point),
    at timestamp(0) with time zone,
    twice integer GENERATED ALWAYS AS (((n)::bigint * 2)) STORED,
    n integer
);
ALTER TABLE ONLY public.odd
    ADD CONSTRAINT odd_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.places
    ADD CONSTRAINT places_pkey PRIMARY KEY (id);
CREATE INDEX by_area ON public.places USING gist (a);
CREATE INDEX by_place ON public.places USING gist (p);
CREATE INDEX first_bytes ON public.places USING btree (substr((g)::bytea, 1, 8));
CREATE TRIGGER cutover_touch_without_key BEFORE UPDATE ON public.without_key FOR EACH ROW WHEN ((((old.p)::bytea IS DISTINCT FROM (new.p)::bytea) OR (old.at IS DISTINCT FROM new.at) OR (old.n IS DISTINCT FROM new.n))) EXECUTE FUNCTION public.cutover_touch_without_key();
