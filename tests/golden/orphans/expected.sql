CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.children (
    id integer NOT NULL,
    parent integer
);
CREATE TABLE public.grandchildren (
    id integer NOT NULL,
    child integer
);
CREATE TABLE public.parents (
    id integer NOT NULL
);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT children_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.grandchildren
    ADD CONSTRAINT grandchildren_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.parents
    ADD CONSTRAINT parents_pkey PRIMARY KEY (id);
CREATE INDEX children_parent ON public.children USING btree (parent);
CREATE INDEX grandchildren_child ON public.grandchildren USING btree (child);
ALTER TABLE ONLY public.children
    ADD CONSTRAINT children_parent FOREIGN KEY (parent) REFERENCES public.parents(id);
ALTER TABLE ONLY public.grandchildren
    ADD CONSTRAINT grandchildren_child FOREIGN KEY (child) REFERENCES public.children(id) ON DELETE CASCADE;
