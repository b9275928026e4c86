CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.a (
    id integer NOT NULL,
    n integer
);
CREATE TABLE public.a_n (
    id integer NOT NULL,
    n integer
);
CREATE TABLE public.b (
    id integer NOT NULL,
    n integer
);
ALTER TABLE ONLY public.a_n
    ADD CONSTRAINT a_n_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.a
    ADD CONSTRAINT a_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.b
    ADD CONSTRAINT b_pkey PRIMARY KEY (id);
CREATE INDEX a_a_pkey ON public.a USING btree (n, id);
CREATE INDEX a_b ON public.a USING btree (id, n);
CREATE INDEX a_n_n ON public.a_n USING btree (n);
CREATE INDEX b_a ON public.b USING btree (n, id);
CREATE INDEX b_n ON public.b USING btree (id);
CREATE INDEX b_n_c3d8bb11 ON public.b USING btree (n);
CREATE UNIQUE INDEX b_u ON public.b USING btree (n);
CREATE INDEX n ON public.a USING btree (n);
CREATE UNIQUE INDEX u ON public.a_n USING btree (n);
