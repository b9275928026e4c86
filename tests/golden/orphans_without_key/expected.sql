CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.loose (
    parent integer,
    note character varying(9)
);
CREATE TABLE public.missing_parent (
    id integer NOT NULL,
    other integer
);
CREATE TABLE public.parents (
    id integer NOT NULL
);
ALTER TABLE ONLY public.missing_parent
    ADD CONSTRAINT missing_parent_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.parents
    ADD CONSTRAINT parents_pkey PRIMARY KEY (id);
CREATE INDEX loose_parent ON public.loose USING btree (parent);
CREATE INDEX to_nowhere ON public.missing_parent USING btree (other);
ALTER TABLE ONLY public.loose
    ADD CONSTRAINT loose_parent FOREIGN KEY (parent) REFERENCES public.parents(id);
