import { testCases } from './expect-case.ts';
import { NOT_FINITE_CASES } from './not-finite.cases.ts';

testCases(NOT_FINITE_CASES);
