// The functions of the roofline that `equigrad bench` measures the mul + add limit by: the best of them was the limit wherever all were tried.
export { chains12, micro1, micro4 } from './roofline'
