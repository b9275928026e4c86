CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.exact (
    name character varying(10) NOT NULL,
    n integer
);
CREATE TABLE public.folded (
    name character varying(10) NOT NULL,
    n integer
);
CREATE TABLE public.mixed (
    id integer NOT NULL,
    a character varying(9),
    b character varying(9)
);
ALTER TABLE ONLY public.exact
    ADD CONSTRAINT exact_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.folded
    ADD CONSTRAINT folded_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.mixed
    ADD CONSTRAINT mixed_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX by_a ON public.mixed USING btree (a);
CREATE UNIQUE INDEX by_b ON public.mixed USING btree (b);
