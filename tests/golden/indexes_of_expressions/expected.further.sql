CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.people (
    id integer NOT NULL,
    name character varying(20),
    lower_name character varying(20) GENERATED ALWAYS AS (lower((name)::text)) STORED,
    n integer
);
ALTER TABLE ONLY public.people
    ADD CONSTRAINT people_pkey PRIMARY KEY (id);
CREATE INDEX by_expression ON public.people USING btree (upper((name)::text));
CREATE INDEX by_lower ON public.people USING btree (lower_name);
CREATE INDEX by_sum ON public.people USING btree ((((n)::bigint + 1)));
