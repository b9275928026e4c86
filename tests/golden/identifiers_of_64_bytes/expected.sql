CREATE SCHEMA public;
COMMENT ON SCHEMA public IS 'standard public schema';
CREATE TABLE public.plain (
    id integer NOT NULL,
    a_column_whose_name_is_as_long_as_the_source_lets_a_na_1996162f integer,
    a_column_whose_name_is_as_long_as_the_source_lets_a_na_1b2b0c02 integer
);
CREATE TABLE public.tttttttttttttttttttttttttttttttttttttttttttttttttttttt_814eea6e (
    id integer NOT NULL,
    parent integer,
    CONSTRAINT cccccccccccccccccccccccccccccccccccccccccccccccccccccc_53f3ef2d CHECK ((parent > 0))
);
CREATE TABLE public.tttttttttttttttttttttttttttttttttttttttttttttttttttttt_ad5eef6b (
    id integer NOT NULL,
    parent integer,
    CONSTRAINT cccccccccccccccccccccccccccccccccccccccccccccccccccccc_8784022f CHECK ((parent > 1))
);
ALTER TABLE ONLY public.plain
    ADD CONSTRAINT plain_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.tttttttttttttttttttttttttttttttttttttttttttttttttttttt_814eea6e
    ADD CONSTRAINT tttttttttttttttttttttttttttttttttttttttttttttttttttttt_9da866b3 PRIMARY KEY (id);
ALTER TABLE ONLY public.tttttttttttttttttttttttttttttttttttttttttttttttttttttt_ad5eef6b
    ADD CONSTRAINT tttttttttttttttttttttttttttttttttttttttttttttttttttttt_e0eb2c05 PRIMARY KEY (id);
CREATE INDEX ffffffffffffffffffffffffffffffffffffffffffffffffffffff_66322b61 ON public.tttttttttttttttttttttttttttttttttttttttttttttttttttttt_814eea6e USING btree (parent);
CREATE INDEX ffffffffffffffffffffffffffffffffffffffffffffffffffffff_d83c1ef1 ON public.tttttttttttttttttttttttttttttttttttttttttttttttttttttt_ad5eef6b USING btree (parent);
CREATE INDEX kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk_431b7146 ON public.plain USING btree (a_column_whose_name_is_as_long_as_the_source_lets_a_na_1996162f);
CREATE INDEX kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk_c21bc4b1 ON public.plain USING btree (a_column_whose_name_is_as_long_as_the_source_lets_a_na_1b2b0c02);
ALTER TABLE ONLY public.tttttttttttttttttttttttttttttttttttttttttttttttttttttt_814eea6e
    ADD CONSTRAINT ffffffffffffffffffffffffffffffffffffffffffffffffffffff_0796215a FOREIGN KEY (parent) REFERENCES public.plain(id);
ALTER TABLE ONLY public.tttttttttttttttttttttttttttttttttttttttttttttttttttttt_ad5eef6b
    ADD CONSTRAINT ffffffffffffffffffffffffffffffffffffffffffffffffffffff_29c17121 FOREIGN KEY (parent) REFERENCES public.plain(id);
