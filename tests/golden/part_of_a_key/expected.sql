CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.children (
    id integer NOT NULL,
    a integer,
    n integer,
    b integer
);
CREATE TABLE public.parents (
    a integer NOT NULL,
    b integer NOT NULL,
    n integer NOT NULL
);
CREATE TABLE public.swapped (
    id integer NOT NULL,
    x integer,
    y integer
);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT children_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.parents
    ADD CONSTRAINT parents_pkey PRIMARY KEY (a, b);
ALTER TABLE ONLY public.swapped
    ADD CONSTRAINT swapped_pkey PRIMARY KEY (id);
CREATE INDEX by_n ON public.parents USING btree (n);
CREATE INDEX first_part ON public.children USING btree (a);
CREATE INDEX not_unique ON public.children USING btree (n);
CREATE INDEX whole ON public.swapped USING btree (x, y);
ALTER TABLE ONLY public.swapped
    ADD CONSTRAINT whole FOREIGN KEY (x, y) REFERENCES public.parents(a, b);
