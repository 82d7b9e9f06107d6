/** Mutants that no test can notice, reviewed by a person: they are drawn, but neither run nor counted. */
export interface EquivalentMutant {
  readonly file: string;
  /** The line with the edit, without white space at its ends. */
  readonly mutated: string;
  readonly reason: string;
}

export const equivalentMutants: readonly EquivalentMutant[] = [];
