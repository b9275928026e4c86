CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.children (
    id integer NOT NULL,
    code integer
);
CREATE TABLE public.parents (
    id integer NOT NULL,
    code integer GENERATED ALWAYS AS (((id)::bigint + 100)) STORED
);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT children_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.parents
    ADD CONSTRAINT parents_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX by_code ON public.parents USING btree (code);
CREATE INDEX children_code ON public.children USING btree (code);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT children_code FOREIGN KEY (code) REFERENCES public.parents(code);
