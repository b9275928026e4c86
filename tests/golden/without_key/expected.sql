CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.blobs (
    b bytea,
    f real,
    d double precision,
    j json
);
CREATE TABLE public.log (
    at timestamp(0) without time zone,
    line text,
    n integer
);
CREATE TABLE public.no_rows (
    a integer,
    b text
);
CREATE TABLE public.unique_only (
    a integer NOT NULL,
    b character varying(5) NOT NULL,
    c integer
);
CREATE UNIQUE INDEX by_a ON public.unique_only USING btree (a);
CREATE UNIQUE INDEX by_b_c ON public.unique_only USING btree (b, c);
